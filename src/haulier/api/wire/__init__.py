"""HTTP over aiohttp, the only package that imports it: connections, redirects, and bodies that prove their end."""
