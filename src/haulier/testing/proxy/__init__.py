"""A reverse proxy on loopback that breaks a small share of the answers of any API behind it.

    from haulier.testing.proxy.server import FaultProxy
    from haulier.testing.proxy.settings import ProxySettings

    async with FaultProxy("http://127.0.0.1:8001", ProxySettings(seed=7)) as proxy:
        ...  # read proxy.url instead; then look at proxy.counters

It passes on the client's Host, so that the API's next links lead to the proxy. `GET /_proxy` answers the counters.
`python -m haulier.testing.proxy --upstream URL` runs it as a process.
"""
