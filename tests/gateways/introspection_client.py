"""Introspects a token with each authentication method of Authlib's own client, and prints the responses."""

import json
import os

from authlib.integrations.requests_client import OAuth2Session

# Authlib requires HTTPS by default, but the service is on this computer and uses HTTP.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
WRONG = "ul_" + "a" * 40


def ask(method, secret):
    session = OAuth2Session(os.environ["CLIENT_ID"], secret, token_endpoint_auth_method=method)
    endpoint = os.environ["KEY_SERVICE"] + "/oauth2/introspect"
    answer = session.introspect_token(endpoint, token=os.environ["TOKEN"], token_type_hint="access_token")
    return {"status": answer.status_code, "body": answer.json()}


methods = ("client_secret_basic", "client_secret_post")
secret = os.environ["CLIENT_SECRET"]
print(json.dumps({method: {"accepted": ask(method, secret), "rejected": ask(method, WRONG)} for method in methods}))
