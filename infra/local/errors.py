"""What can go wrong in the embedded cloud, in words that say how to mend it."""


class CloudError(Exception):
    """The embedded cloud cannot do what was asked."""


class TemplateError(CloudError):
    """The template asks for something wrong, or for something the embedded cloud does not know."""


class FunctionError(CloudError):
    """A function raised, crashed or ran out of time; the text holds its traceback."""

    def __init__(self, function: str, error: dict[str, object]) -> None:
        self.function = function
        self.error = error
        trace = error.get("stackTrace") or []
        lines = [f"{function}: {error.get('errorType', 'Error')}: {error.get('errorMessage', '')}"]
        if isinstance(trace, list):
            lines += [str(line).rstrip("\n") for line in trace]
        super().__init__("\n".join(lines))
