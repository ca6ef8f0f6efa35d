"""dlt: a paged list by its rest_api source, with the offset paginator and the total, into PostgreSQL."""

import os

import dlt
from dlt.sources.rest_api import rest_api_source

source = rest_api_source(
    {
        "client": {"base_url": os.environ["PEER_API"]},
        "resources": [
            {
                "name": "items",
                "primary_key": "id",
                "write_disposition": "merge",
                "endpoint": {
                    "path": "lists/orders/offset",
                    "data_selector": "data",
                    "paginator": {"type": "offset", "limit": 100, "total_path": "meta.total"},
                },
            }
        ],
    }
)
pipeline = dlt.pipeline(
    "read",
    destination=dlt.destinations.postgres(os.environ["PEER_DST"]),
    dataset_name="landed",
    pipelines_dir=os.environ["PEER_HOME"],
)
pipeline.run(source)
