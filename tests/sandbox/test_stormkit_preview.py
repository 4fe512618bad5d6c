"""The local Stormkit's previews."""

import pytest
import requests

from sandbox.stormkit.server import Stormkit
from tests.sandbox.stormkit_requests import call, trigger


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


def test_only_successful_deployments_have_a_preview(stormkit):
    ready = stormkit.add_deployment()
    url = preview_url(stormkit, ready.id)
    assert url == f"{stormkit.url}/preview/{ready.id}/"
    assert "Hello, world!" in get(url).text
    assert get(f"{url}health?deep=1").ok
    for status in ("failed", "running"):
        assert get(preview_url(stormkit, stormkit.add_deployment(status=status).id)).status_code == 404
    assert get(f"{stormkit.url}/preview/1/").status_code == 404


def test_a_preview_can_come_up_after_some_requests(stormkit):
    url = preview_url(stormkit, stormkit.add_deployment().id)
    stormkit.preview(after=2)
    assert [get(url).status_code for _ in range(4)] == [503, 503, 200, 200]
    stormkit.preview(status=401, after=1, starting=404)
    assert [get(url).status_code for _ in range(2)] == [404, 401]


def test_a_preview_can_redirect(stormkit):
    url = preview_url(stormkit, stormkit.add_deployment().id)
    stormkit.preview(status=302, headers={"location": "https://example.com/"})
    answer = get(url, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, "https://example.com/")


def test_every_other_path_of_the_server_is_a_preview_too(stormkit):
    """Real previews have their own origins. Here they share one, of which a health check requests a path."""
    assert get(f"{stormkit.url}/health").ok
    assert get(f"{stormkit.url}/v1/health").status_code == 404
    assert stormkit.received(path="/health")


def test_the_preview_url_names_the_requested_host(stormkit):
    deployment_id = stormkit.add_deployment().id
    headers = {"Authorization": "SK_sandbox", "Host": "stormkit.example.com:8080"}
    answer = get(f"{stormkit.url}/v1/deployments/{deployment_id}", headers=headers).json()
    assert answer["deployment"]["previewUrl"] == f"http://stormkit.example.com:8080/preview/{deployment_id}/"


def test_the_april_generation_names_the_deployment_in_a_header(april):
    url = preview_url(april, april.add_deployment().id)
    april.preview(missing=["/nothing"])
    assert get(url).headers["X-Sk-Version"] == "8241"
    assert get(url).headers["Server"] == "Stormkit"
    assert "X-Sk-Version" not in get(f"{april.url}/preview/99/").headers


def test_a_protected_preview_answers_with_a_login_page(april):
    url = preview_url(april, april.add_deployment().id)
    april.preview(auth_wall=True)
    answer = get(f"{url}nothing")
    assert answer.status_code == 200
    assert "<title>Stormkit - Password protected deployment</title>" in answer.text
    assert "X-Sk-Version" not in answer.headers


def test_a_preview_opened_too_early_stays_missing_for_ten_minutes_after_the_last_request(april, clock):
    april.next_build(seconds=10)
    url = preview_url(april, trigger(april))
    assert get(url).status_code == 404
    clock.advance(20)
    for _ in range(3):
        assert get(url).status_code == 404
        clock.advance(599)
    clock.advance(1)
    assert get(url).ok


def test_a_publish_of_another_deployment_heals_a_preview_opened_too_early(april, clock):
    other = april.add_deployment()
    april.next_build(seconds=10)
    url = preview_url(april, trigger(april))
    assert get(url).status_code == 404
    clock.advance(20)
    call(april, "POST", f"/deployments/{other.id}/publish")
    assert get(url).ok


@pytest.mark.parametrize(
    ("host", "status", "content_type"),
    [
        ("api.example.com", 200, "application/json"),
        ("stormkit.example.com", 404, "application/json"),
        ("hello-world--8241.example.com", 404, "text/html; charset=utf-8"),
        ("192.0.2.7", 404, "text/html; charset=utf-8"),
    ],
)
def test_each_host_of_the_domain_is_a_site_of_its_own(april, host, status, content_type):
    april.add_deployment()
    april.answers.domain = "example.com"
    april.preview(missing=["/v1/deployments"])
    headers = {"Authorization": "SK_sandbox", "Host": host}
    answer = get(f"{april.url}/v1/deployments", headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, content_type)
