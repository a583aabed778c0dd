"""Crawlee for Python: an HttpCrawler whose handler writes a file a page.

Best settings: minimum, desired and maximum concurrency as many as requests in flight, so that its autoscaling does not
hold it back; storage in memory; no session pool and no guessing whether it is blocked; 429 as an error that is tried
again; 10 tries; a time-out of 10 s instead of a minute; no statistics in its log.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from crawlee import ConcurrencySettings, Request
from crawlee.crawlers import HttpCrawler, HttpCrawlingContext
from crawlee.storage_clients import MemoryStorageClient
from page import ATTEMPTS, TIMEOUT_SECONDS, read_order, store

order = read_order()
n_of = {order.page_url(n): n for n in range(order.pages)}


async def main() -> None:
    logging.disable(logging.WARNING)
    crawler = HttpCrawler(
        storage_client=MemoryStorageClient(),
        concurrency_settings=ConcurrencySettings(order.in_flight, order.in_flight, desired_concurrency=order.in_flight),
        navigation_timeout=timedelta(seconds=TIMEOUT_SECONDS),
        max_request_retries=ATTEMPTS,
        use_session_pool=False,
        retry_on_blocked=False,
        additional_http_error_status_codes=[429],
        configure_logging=False,
    )

    @crawler.router.default_handler
    async def handle(context: HttpCrawlingContext) -> None:
        store(n_of[context.request.url], await context.http_response.read())

    await crawler.run([Request.from_url(url) for url in n_of])


asyncio.run(main())
