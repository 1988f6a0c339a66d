"""Whether /openapi.json is OpenAPI 3.1, for whoever generates a client from it."""

import os

import httpx2
from openapi_spec_validator import OpenAPIV31SpecValidator

document = httpx2.get(httpx2.URL(os.environ["AIRLOCK_URL"]).join("/openapi.json")).json()
errors = [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in OpenAPIV31SpecValidator(document).iter_errors()]
print(f"not ok - OpenAPI: the document is valid: {'; '.join(errors)[:600]}" if errors else "ok - OpenAPI: the document is valid")
