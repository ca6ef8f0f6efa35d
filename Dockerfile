# Airflow and Dragoman in the versions of the lock, which are those that the tests have seen. Built by docker compose.
FROM python:3.11-slim AS build
COPY pyproject.toml requirements.txt README.md LICENSE /src/
COPY plugins /src/plugins
# The lock holds what developing needs too, so it says which versions, and the package which of them it wants.
RUN python -m venv /opt/dragoman \
 && pip install --no-cache-dir "$(sed -n 's/^\(uv==[^ ;]*\).*/\1/p' /src/requirements.txt)" \
 && VIRTUAL_ENV=/opt/dragoman uv pip install --no-cache --compile-bytecode \
      --constraint /src/requirements.txt "/src[celery,fab,providers]"

FROM python:3.11-slim
RUN useradd --uid 50000 --gid 0 --create-home --home-dir /opt/airflow airflow \
 && install --directory --owner=airflow --group=0 --mode=0700 /stage /opt/airflow/logs
COPY --from=build /opt/dragoman /opt/dragoman
COPY --chown=50000:0 dags /opt/airflow/dags
COPY --chown=50000:0 include /opt/airflow/include
ENV PATH=/opt/dragoman/bin:$PATH AIRFLOW_HOME=/opt/airflow PYTHONUNBUFFERED=1
WORKDIR /opt/airflow
USER 50000
