"""A Flask app that trusts its gateway as Flask's manual recommends, with every header that ProxyFix can read."""

import os

from flask import Flask, jsonify, redirect, request, url_for
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_port=1, x_prefix=1)


@app.get("/predict/old")
def old():
    return redirect(url_for("new", _external=True))


@app.get("/predict/new")
def new():
    return jsonify(remote_addr=request.remote_addr, url=request.url)


app.run("127.0.0.1", int(os.environ["PORT"]))
