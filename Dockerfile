# The action's image: a virtual environment with the locked dependencies, and a copy of the package.
# It builds for amd64 and arm64, with and without BuildKit.

# Set BASE to build behind a private certificate authority, to an image with the same Python and that certificate.
ARG BASE=pinned

# Dependabot updates the digest here, because it reads FROM but not ARG. BuildKit does not pull this image if BASE names
# another one.
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS pinned

FROM ${BASE} AS build
# Set these to install packages from another index than PyPI. pip reads them from its environment.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
COPY requirements.txt /tmp/requirements.txt
# The base image's pip installs into the venv, so that the venv needs no pip. Only wheels: the image has no compiler.
# Two things are not needed at run time: the top-level package `tests` in actions-toolkit's wheel, and type stubs.
RUN python -m venv --without-pip /opt/venv \
 && python -m pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --disable-pip-version-check \
    --root-user-action ignore --only-binary :all: --require-hashes --no-deps -r /tmp/requirements.txt \
 && python -m pip --python /opt/venv/bin/python check --disable-pip-version-check \
 && rm -r /opt/venv/lib/python3.*/site-packages/tests \
 && find /opt/venv -name '*.pyi' -delete
COPY stormkit_action /app/stormkit_action
COPY entrypoint.py post_entrypoint.py /app/
# Make the files readable for any user, regardless of the umask of the checkout. Bytecode with unchecked hashes is never
# compared with its source, so nothing is written at run time, also not on a read-only root file system.
RUN chmod -R a+rX,go-w /app && chmod a+x /app/*.py \
 && python -m compileall -q --invalidation-mode unchecked-hash /opt/venv /app/stormkit_action

FROM ${BASE}
LABEL org.opencontainers.image.title="stormkit_action" \
      org.opencontainers.image.description="Deploys a pull request's branch to Stormkit and hands back the preview link"
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
# python:3.13-slim has no bytecode of the standard library. Importing all our modules once writes the bytecode of what
# they use; modules that are imported inside functions are named. The link is the command that other CIs' scripts call.
RUN cd /app && /opt/venv/bin/python -Ec 'import importlib, pkgutil, backoff, github, encodings.idna, encodings.utf_8_sig; \
    [importlib.import_module(module.name) for module in pkgutil.walk_packages(["/app"])]' \
 && ln -s /app/entrypoint.py /usr/local/bin/stormkit-action
# No USER and no WORKDIR: GitHub runs container actions as root and in its own working directory.
# -E ignores the workflow's PYTHON* variables. Python honours two more, which could name a virtual environment in the
# user's checkout, so env removes them. A script and not -m, because -m would import modules from the working directory,
# which is that checkout. Signals are blocked until our handlers are installed, so no cancel during start-up is lost.
ENTRYPOINT ["/usr/bin/env", "--block-signal=INT,TERM,HUP", "-u", "PYTHONEXECUTABLE", "-u", "__PYVENV_LAUNCHER__", \
    "/opt/venv/bin/python", "-Eu", "/app/entrypoint.py"]
