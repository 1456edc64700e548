"""Serves one of the Django stacks on a free port of 127.0.0.1.

usage: serve.py STACK DIRECTORY

STACK is the name of a package beside this file. Database and mails lie in DIRECTORY, which is to be
empty, but for `from_handbook.py` of the stack `resource_server`. The only line on standard output is `ready http://127.0.0.1:PORT`; the server ends when its
standard input does. DJANGO_SECRET signs the tokens.
"""

import os
import sys
import threading
from pathlib import Path

import django
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application


# The package of this repository, as if it were installed.
PROPUSK_DJANGO = Path(__file__).resolve().parents[2] / "server/integrations/django/src"


class Handler(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def end_with_the_input():
    sys.stdin.buffer.read()
    os._exit(0)


def main(stack, directory):
    sys.path.append(str(PROPUSK_DJANGO))
    os.environ.update(
        DJANGO_SETTINGS_MODULE="settings", DJANGO_STACK=stack, DJANGO_DIRECTORY=directory
    )
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    import control

    control.register_applications()
    server = ThreadedWSGIServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.set_app(get_wsgi_application())
    print(f"ready http://127.0.0.1:{server.server_port}", flush=True)
    threading.Thread(target=end_with_the_input, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
