"""The catalog, as Athena shows it."""

from __future__ import annotations

from dataclasses import dataclass

from infra.local.athena.catalog import Catalog
from infra.local.athena.errors import RequestRefused
from infra.local.athena.paging import JSON, page


@dataclass(frozen=True, slots=True)
class Metadata:
    """Databases and tables of the Glue catalog."""

    catalog: Catalog
    account: str

    def get_data_catalog(self, body: JSON) -> JSON:
        name = body.get("Name", "AwsDataCatalog")
        if name.lower() != "awsdatacatalog":
            raise RequestRefused(f"Data catalog {name} was not found")
        parameters = {"catalog-id": self.account}
        return {"DataCatalog": {"Name": "AwsDataCatalog", "Type": "GLUE", "Parameters": parameters}}

    def get_database(self, body: JSON) -> JSON:
        found = self.catalog.glue.get_database(Name=body["DatabaseName"])["Database"]
        return {"Database": {"Name": found["Name"], "Parameters": found.get("Parameters", {})}}

    def list_databases(self, body: JSON) -> JSON:
        found = self.catalog.glue.get_databases()["DatabaseList"]
        return page("DatabaseList", [{"Name": database["Name"]} for database in found], body, most=50)

    def get_table_metadata(self, body: JSON) -> JSON:
        found = self.catalog.glue.get_table(DatabaseName=body["DatabaseName"], Name=body["TableName"])[
            "Table"
        ]
        return {"TableMetadata": _table_metadata(found)}

    def list_table_metadata(self, body: JSON) -> JSON:
        pages = self.catalog.glue.get_paginator("get_tables").paginate(
            DatabaseName=body["DatabaseName"],
            **({"Expression": body["Expression"]} if body.get("Expression") else {}),
        )
        found = [_table_metadata(table) for page in pages for table in page["TableList"]]
        return page("TableMetadataList", found, body, most=50)


def _table_metadata(table: JSON) -> JSON:
    storage = table.get("StorageDescriptor", {})
    return {
        "Name": table["Name"],
        "TableType": table.get("TableType", "EXTERNAL_TABLE"),
        "Columns": storage.get("Columns", []),
        "PartitionKeys": table.get("PartitionKeys", []),
        "Parameters": {**table.get("Parameters", {}), "location": storage.get("Location", "")},
    }
