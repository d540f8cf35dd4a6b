"""A typical resource server with Authlib and Flask. It stores no keys, and introspects each one (RFC 7662)."""

import os

import requests
from authlib.integrations.flask_oauth2 import ResourceProtector, current_token
from authlib.oauth2.rfc7662 import IntrospectTokenValidator
from flask import Flask, jsonify


class KeyService(IntrospectTokenValidator):
    def introspect_token(self, token_string):
        answer = requests.post(
            os.environ["KEY_SERVICE"] + "/oauth2/introspect",
            data={"token": token_string, "token_type_hint": "access_token"},
            auth=(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]),
            timeout=10,
        )
        answer.raise_for_status()
        return answer.json()


protected = ResourceProtector()
protected.register_token_validator(KeyService())
app = Flask(__name__)


@app.get("/models")
@protected("models")
def models():
    return jsonify({name: current_token[name] for name in ("client_id", "scope", "username", "key_name")})


app.run("127.0.0.1", int(os.environ["PORT"]))
