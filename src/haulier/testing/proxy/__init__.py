"""A reverse proxy on loopback that breaks a small share of the answers of any API behind it.

    from haulier.testing.proxy.server import FaultProxy
    from haulier.testing.proxy.settings import ProxySettings

    async with FaultProxy("http://127.0.0.1:8001", ProxySettings(seed=7)) as proxy:
        ...  # read proxy.url instead; then look at proxy.counters

Rules break chosen requests, before or after the service has done what they ask, here in front of Azure's blobs:

    rules = FaultRules(rules=(FaultRule("lost", operation="put-block-list", times=1),))
    async with FaultProxy(url, QUIET, rules=rules, name=blob_operation, refuse=storage_refusal) as proxy:
        async with proxy.away(): ...  # connections are refused meanwhile

It passes on the client's Host, so that the API's next links lead to the proxy. `GET /_proxy` answers the counters,
and a POST to it sets rules.
`python -m haulier.testing.proxy --upstream URL` runs it as a process.
"""
