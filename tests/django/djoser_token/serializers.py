"""djoser's sign-in with the field `username` for the e-mail address, as in the document."""

from djoser.serializers import TokenCreateSerializer
from rest_framework import serializers


class TokenCreate(TokenCreateSerializer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        del self.fields["email"]
        self.fields["username"] = serializers.CharField(required=False)

    def validate(self, attrs):
        return super().validate({**attrs, "email": attrs.get("username")})
