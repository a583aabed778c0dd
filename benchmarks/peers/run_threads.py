"""A thread pool over requests, with urllib3's Retry: what many people would write.

Best settings: one session whose pool has a connection a thread; Retry for 429, 500, 502, 503 and 504 that honours
Retry-After, 10 attempts, backoff from 0.1 s; time-out of 10 s; slices of the page's bytes instead of the json module.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import requests
from page import ATTEMPTS, TIMEOUT_SECONDS, read_order, store
from requests.adapters import HTTPAdapter
from urllib3 import Retry

order = read_order()
retry = Retry(
    total=ATTEMPTS, status_forcelist=(429, 500, 502, 503, 504), backoff_factor=0.1, respect_retry_after_header=True
)
session = requests.Session()
session.trust_env = False  # Looking for proxies in the environment costs each request some 0.1 ms.
session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=order.in_flight, max_retries=retry))


def fetch(n: int) -> None:
    answer = session.get(order.page_url(n), timeout=TIMEOUT_SECONDS)
    answer.raise_for_status()
    store(n, answer.content)


with ThreadPoolExecutor(order.in_flight) as pool:
    for _ in pool.map(fetch, range(order.pages)):
        pass
