"""Requests that the tests send to the local Stormkit."""

import requests

from sandbox.events import HEAD_BRANCH


def call(server, method, path, key="SK_sandbox", query=None, **body):
    headers = {"Authorization": key} if key else {}
    json = body if body or method == "POST" else None
    return requests.request(method, f"{server.url}/v1{path}", params=query, json=json, headers=headers, timeout=5)


def trigger(server, branch=HEAD_BRANCH, **body):
    return call(server, "POST", "/deploy", branch=branch, **body).json()["id"]


def read(server, deployment_id, **query):
    return call(server, "GET", f"/deployments/{deployment_id}", query=query).json()["deployment"]
