"""Serializers of SimpleJWT as projects write them: more claims, and more members of the answer to a
sign-in. `PROJECT` says which."""

from django.conf import settings
from django.contrib.auth import get_user_model
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer, TokenRefreshSerializer

PROJECT = settings.PROJECT


def said(user, value):
    """What a claim or a member says of a user; an object says several."""
    if isinstance(value, dict):
        return {name: said(user, one) for name, one in value.items()}
    field = getattr(user, value.removeprefix("attributes."))
    if value == "id" and not isinstance(field, int):
        return str(field)
    # The columns of Django's own users have no null, those of the document of djoser with JWT do.
    is_text = value in ("email", "phone") and PROJECT["dialect"] != "djoser_jwt"
    return "" if is_text and field is None else field


def add_claims(token, user):
    for claim, value in PROJECT.get("claims", {}).items():
        token[claim] = said(user, value)


class Obtain(TokenObtainPairSerializer):
    @classmethod
    def get_token(cls, user):
        token = super().get_token(user)
        add_claims(token, user)
        return token

    def validate(self, attrs):
        return super().validate(attrs) | said(self.user, PROJECT.get("answer", {}))


class FreshRefresh(TokenRefreshSerializer):
    """Writes the claims anew."""

    def validate(self, attrs):
        answer = super().validate(attrs)
        claim = settings.SIMPLE_JWT.get("USER_ID_CLAIM", "user_id")
        for name, kind in (("access", self.token_class.access_token_class), ("refresh", self.token_class)):
            if name in answer:
                token = kind(answer[name])
                add_claims(token, get_user_model().objects.get(pk=token[claim]))
                answer[name] = str(token)
        return answer
