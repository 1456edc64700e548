"""Mails as files, the oldest first by name."""

import time

from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend


class Folder(BaseEmailBackend):
    def send_messages(self, messages):
        settings.MAILS.mkdir(exist_ok=True)
        for message in messages:
            unfinished = settings.MAILS / f"{time.monotonic_ns():020}.part"
            unfinished.write_bytes(message.message().as_bytes())
            unfinished.rename(unfinished.with_suffix(".eml"))
        return len(messages)
