"""What Athena answered, as a file to fetch: presigned addresses of S3."""

from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import Unavailable

from .aws_errors import code_of


class AthenaDownloads:
    """Results of one workgroup."""

    def __init__(self, athena: Any, s3: Any, workgroup: str) -> None:
        self._athena = athena
        self._s3 = s3
        self._workgroup = workgroup

    def url(self, query: str, seconds: int, name: str) -> str:
        """The address of a query's result; whoever has it can fetch it for so many seconds."""
        try:
            answer = self._athena.batch_get_query_execution(QueryExecutionIds=[query])
        except (ClientError, BotoCoreError) as error:
            code = code_of(error) if isinstance(error, ClientError) else type(error).__name__
            raise Unavailable(f"query {query} cannot be asked about: {code}") from error
        for execution in answer["QueryExecutions"]:
            if execution.get("WorkGroup", self._workgroup) == self._workgroup:
                place = urlsplit(execution["ResultConfiguration"]["OutputLocation"])
                wanted = {
                    "Bucket": place.netloc,
                    "Key": place.path.lstrip("/"),
                    "ResponseContentDisposition": f'attachment; filename="{name}"',
                    "ResponseContentType": "text/csv; charset=utf-8",
                }
                return str(self._s3.generate_presigned_url("get_object", Params=wanted, ExpiresIn=seconds))
        raise Unavailable(f"query {query} is not known")
