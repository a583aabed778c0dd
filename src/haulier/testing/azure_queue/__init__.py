"""A model of Azure Queue Storage on loopback, as unkind as its documentation allows.

    from haulier.testing.azure_queue.process import AzureQueueProcess
    from haulier.testing.azure_queue.settings import UNKIND, AzureQueueSettings

    with AzureQueueProcess(AzureQueueSettings(seed=7, **UNKIND)) as service:
        ...  # clients speak to service.url, or take service.connection_string
        service.advance(3600)

It speaks the part of the REST protocol that the official SDK uses for queues and messages. Within a process of its own
event loop, `haulier.testing.azure_queue.server.AzureQueueServer` is the same. `GET /_queue` answers the counters.
"""
