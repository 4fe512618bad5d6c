"""The previews answer as they were told to."""

import pytest
import requests

from sandbox.stormkit.server import Stormkit


@pytest.fixture
def stormkit():
    with Stormkit() as server:
        yield server


def get(url, **more):
    return requests.get(url, timeout=5, **more)


def preview_url(server, deployment_id):
    headers = {"Authorization": "SK_sandbox"}
    url = f"{server.url}/v1/deployments/{deployment_id}"
    return get(url, headers=headers).json()["deployment"]["previewUrl"]


def test_only_successful_deployments_have_one(stormkit):
    ready = stormkit.add_deployment()
    url = preview_url(stormkit, ready.id)
    assert url == f"{stormkit.url}/preview/{ready.id}/"
    assert "Hello, world!" in get(url).text
    assert get(f"{url}health?deep=1").ok
    for status in ("failed", "running"):
        assert get(preview_url(stormkit, stormkit.add_deployment(status=status).id)).status_code == 404
    assert get(f"{stormkit.url}/preview/1/").status_code == 404


def test_they_come_up_after_a_while(stormkit):
    url = preview_url(stormkit, stormkit.add_deployment().id)
    stormkit.preview(after=2)
    assert [get(url).status_code for _ in range(4)] == [503, 503, 200, 200]
    stormkit.preview(status=401, after=1, starting=404)
    assert [get(url).status_code for _ in range(2)] == [404, 401]


def test_they_redirect(stormkit):
    url = preview_url(stormkit, stormkit.add_deployment().id)
    stormkit.preview(status=302, headers={"location": "https://example.com/"})
    answer = get(url, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, "https://example.com/")


def test_a_path_of_the_origin_is_a_preview_too(stormkit):
    """Real previews have an origin each; here they share one, and a health check asks for a path of it."""
    assert get(f"{stormkit.url}/health").ok
    assert get(f"{stormkit.url}/v1/health").status_code == 404
    assert stormkit.received(path="/health")


def test_the_url_names_the_host_that_was_asked(stormkit):
    deployment_id = stormkit.add_deployment().id
    headers = {"Authorization": "SK_sandbox", "Host": "stormkit.example.com:8080"}
    answer = get(f"{stormkit.url}/v1/deployments/{deployment_id}", headers=headers).json()
    assert answer["deployment"]["previewUrl"] == f"http://stormkit.example.com:8080/preview/{deployment_id}/"
