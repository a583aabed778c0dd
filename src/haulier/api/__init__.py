"""The API that is read: transport, actions and identity on the wire side; client, pages, scope and governor above
it."""
