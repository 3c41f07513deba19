#!/usr/bin/python3
"""What clouds' own libraries make of what CloudLogin sends.

cloud_judge.py aws FILE...: the Authorization header that botocore gives each request; FILE is a JSON object with method, url, headers, body (hex),
    access_key, secret_key, token, region and service.
cloud_judge.py jwt TOKEN PUBLIC_KEY AUDIENCE: the header and the claims of the token in a file, when its signature is of the key in another.
"""

import json
import sys
from pathlib import Path


def aws(file):
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    told = json.loads(Path(file).read_text())
    headers = {name.lower(): value for name, value in told["headers"].items()}
    signed = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    # Nothing that the service demands may be left unsigned.
    for name in headers:
        if name in ("host", "content-type") or name.startswith("x-amz-"):
            assert name in signed, name
    request = AWSRequest(told["method"], told["url"], {name: headers[name] for name in signed}, bytes.fromhex(told["body"]))
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials(told["access_key"], told["secret_key"], told["token"] or None), told["service"], told["region"])
    # Its own hash of the body, not the one that the header claims.
    del request.headers["x-amz-content-sha256"]
    request.headers["X-Amz-Content-SHA256"] = auth.payload(request)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    names = auth.signed_headers(auth.headers_to_sign(request))
    return f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={names}, Signature={auth.signature(text, request)}"


def token(text, key, audience):
    import jwt

    said, public = Path(text).read_text(), Path(key).read_text()
    claims = jwt.decode(said, public, algorithms=["RS256"], audience=audience, options={"verify_exp": False})
    return json.dumps([jwt.get_unverified_header(said), claims], sort_keys=True)


if sys.argv[1] == "aws":
    for name in sys.argv[2:]:
        print(aws(name))
else:
    print(token(*sys.argv[2:]))
