"""Scrapy: a spider whose callback writes a file a page.

Best settings: concurrency in all and per domain as many as requests in flight, no delay, no autothrottle; uvloop;
records not handed to feed exports, which cost some 0.2 ms a record, and so one task for items instead of 100; 10 tries
by its RetryMiddleware, before other requests instead of after them; a time-out of 10 s; no cookies, robots.txt,
compression, redirects, statistics of memory or telnet; no log below an error.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import scrapy
from page import ATTEMPTS, TIMEOUT_SECONDS, read_order, store
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response

order = read_order()


class Blobs(scrapy.Spider):
    name = "blobs"

    async def start(self) -> AsyncIterator[scrapy.Request]:
        for n in range(order.pages):
            yield scrapy.Request(order.page_url(n), cb_kwargs={"n": n}, dont_filter=True)

    def parse(self, response: Response, n: int) -> None:
        store(n, response.body)


process = CrawlerProcess(
    {
        "ASYNCIO_EVENT_LOOP": "uvloop.Loop",
        "AUTOTHROTTLE_ENABLED": False,
        "COMPRESSION_ENABLED": False,
        "CONCURRENT_ITEMS": 1,
        "CONCURRENT_REQUESTS": order.in_flight,
        "CONCURRENT_REQUESTS_PER_DOMAIN": order.in_flight,
        "COOKIES_ENABLED": False,
        "DOWNLOAD_DELAY": 0,
        "DOWNLOAD_TIMEOUT": TIMEOUT_SECONDS,
        "DOWNLOAD_WARNSIZE": 0,
        "HTTPPROXY_ENABLED": False,
        "LOG_LEVEL": "ERROR",
        "MEMUSAGE_ENABLED": False,
        "REDIRECT_ENABLED": False,
        "RETRY_PRIORITY_ADJUST": 1,
        "RETRY_TIMES": ATTEMPTS,
        "ROBOTSTXT_OBEY": False,
        "TELNETCONSOLE_ENABLED": False,
    }
)
process.crawl(Blobs)
process.start()
