"""What stands between AWS Lambda and the use cases: settings, HTTP, logs and metrics, composition."""
