"""argon2id at the cost that Propusk has by default."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class OurCost(Argon2PasswordHasher):
    time_cost = 2
    memory_cost = 19_456
    parallelism = 1
