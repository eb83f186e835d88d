"""optuna-dashboard on the study of a run: served by this process, to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas.errors import NasError
from nas.report import serving

if TYPE_CHECKING:
    from nas.study import Study

MISSING = "`nas dashboard` needs optuna-dashboard; allowed: pip install 'nas[dashboard]'"


class Server(serving.Server):
    """Listens from the moment it is made; `serve` until Ctrl-C. `url` is the page of the study."""

    def __init__(self, study: Study, host: str = serving.LOOPBACK, port: int = 0) -> None:
        """Port 0: one that is free. Raises `NasError` without optuna-dashboard, or where it cannot listen there."""
        from nas.study.readonly import read_only

        storage = read_only(study)
        super().__init__(_application(storage), host, port)
        number = storage.get_study_id_from_name(study.settings.study)
        self.url = f"{self.address}/dashboard/studies/{number}"


def _application(storage: Any) -> serving.App:
    try:
        from optuna_dashboard import wsgi
    except ImportError:
        raise NasError(MISSING) from None
    app: serving.App = wsgi(storage)
    return app
