# The action's image: a virtual environment with the locked dependencies, and the package as it lies in the repository.
# Plain syntax, and nothing of one processor in it: it builds for amd64 and arm64, with and without BuildKit.

# Another base serves a build behind a private certificate authority: the same Python, and the authority's certificate.
ARG BASE=pinned

# Dependabot moves the digest: it reads FROM, but not ARG. BuildKit does not pull this base when BASE names another.
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS pinned

FROM ${BASE} AS build
# Where packages come from, if not from PyPI: pip reads these from its environment.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
COPY requirements.txt /tmp/requirements.txt
# The base's pip installs into the venv, which has none itself. Wheels only: there is no compiler here.
# actions-toolkit's wheel brings its tests as a top-level package; stubs are of no use at run time.
RUN python -m venv --without-pip /opt/venv \
 && python -m pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --disable-pip-version-check \
    --root-user-action ignore --only-binary :all: --require-hashes --no-deps -r /tmp/requirements.txt \
 && python -m pip --python /opt/venv/bin/python check --disable-pip-version-check \
 && rm -r /opt/venv/lib/python3.*/site-packages/tests \
 && find /opt/venv -name '*.pyi' -delete
COPY stormkit_action /app/stormkit_action
COPY entrypoint.py post_entrypoint.py /app/
# For any user, whatever umask this was checked out with. Bytecode that is taken as it is: no file's time matters, and
# nothing is left to write on a read-only root.
RUN chmod -R a+rX,go-w /app && chmod a+x /app/*.py \
 && python -m compileall -q --invalidation-mode unchecked-hash /opt/venv /app/stormkit_action

FROM ${BASE}
LABEL org.opencontainers.image.title="stormkit_action" \
      org.opencontainers.image.description="Deploys a pull request's branch to Stormkit and hands back the preview link"
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
# python:3.13-slim comes without bytecode of the standard library: importing everything once writes what we use of it,
# and what is only imported when it is needed is named. The link is for other CIs, whose scripts call a command.
RUN cd /app && /opt/venv/bin/python -Ec 'import importlib, pkgutil, backoff, github, encodings.idna, encodings.utf_8_sig; \
    [importlib.import_module(each.name) for each in pkgutil.walk_packages(["/app"])]' \
 && ln -s /app/entrypoint.py /usr/local/bin/stormkit-action
# No USER and no WORKDIR: GitHub runs container actions as root and in its own working directory.
# -E: a workflow's PYTHON* variables are not ours. A script, not -m: the working directory is a foreign checkout.
# Two of them it honours all the same: they would name a virtual environment in that checkout. A cancel that comes while
# Python starts waits until somebody listens.
ENTRYPOINT ["/usr/bin/env", "--block-signal=INT,TERM,HUP", "-u", "PYTHONEXECUTABLE", "-u", "__PYVENV_LAUNCHER__", \
    "/opt/venv/bin/python", "-Eu", "/app/entrypoint.py"]
