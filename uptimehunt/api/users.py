"""`/users/…`: oneself (profile, password, tokens, sessions), and all accounts for an admin."""

from typing import Any

import falcon
from pydantic import BaseModel, Field

from uptimehunt.api.auth import User
from uptimehunt.api.operation import Access, Answer, PageQuery, Resource, Timestamp, operation
from uptimehunt.domain import api_tokens, passwords, sessions, text, users
from uptimehunt.domain.api_tokens import Scope, TokenInput
from uptimehunt.domain.paging import Page
from uptimehunt.domain.users import PasswordInput, ProfileInput, UserChange, UserInput
from uptimehunt.domain.validation import parse
from uptimehunt.errors import ValidationError

_PASSWORD_CHANGED = "Password changed; other sessions were signed out"


class Profile(User):
    """An account with its preferences."""

    timezone: str = Field(examples=["Europe/Berlin"])
    theme: str = Field(examples=["auto"])
    locale: str = Field(examples=["en"])


class Account(User):
    """An account as an admin sees it."""

    enabled: bool


class Message(BaseModel):
    """A sentence that says what was done."""

    message: str = Field(examples=[_PASSWORD_CHANGED])


class Token(BaseModel):
    """A personal API token, without its text."""

    id: int
    name: str = Field(examples=["Backup script"])
    prefix: str = Field(examples=["uh_Zk3p"])
    scope: Scope = Field(examples=["read"])
    created_at: Timestamp
    expires_at: Timestamp | None = Field(examples=["2024-12-31T00:00:00Z"])
    last_used_at: Timestamp | None


class NewToken(Token):
    """A personal API token with its text, which no other answer holds."""

    token: str = Field(examples=["uh_Zk3p..."])


class UserSession(BaseModel):
    """A sign-in that stands."""

    id: int
    created_at: Timestamp
    last_used_at: Timestamp
    expires_at: Timestamp = Field(examples=["2024-01-31T00:00:00Z"])
    user_agent: str = Field(examples=["curl/8.5.0"])
    address: str = Field(examples=["203.0.113.10"])
    is_current: bool


class OwnProfile(Resource):
    """`/users/profile`."""

    @operation("Get own profile", access=Access.USER, answer=Answer(200, Profile))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """Oneself, with preferences."""
        return users.profile(req.context.user)

    @operation(
        "Update own profile",
        access=Access.SELF,
        body=ProfileInput,
        answer=Answer(200, Profile),
        errors=(429,),
    )
    def on_put(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """What is left out goes back to its default; another e-mail needs the password."""
        return self._replace(req, req.context.body)

    @operation(
        "Change parts of own profile",
        access=Access.SELF,
        body=ProfileInput,
        is_partial=True,
        answer=Answer(200, Profile),
        errors=(429,),
    )
    def on_patch(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """Only what is sent changes."""
        present = {
            name: getattr(req.context.user, name)
            for name in ProfileInput.model_fields
            if name != "current_password"
        }
        return self._replace(req, parse(ProfileInput, present | req.context.body))

    def _replace(self, req: falcon.Request, wanted: ProfileInput) -> dict[str, Any]:
        user = req.context.user
        if text.email_key(wanted.email) != user.email_key:
            if wanted.current_password is None:
                raise ValidationError({"current_password": ["Current password is required"]})
            with self.parts.limiter.guard(f"password of {user.id}"):
                users.prove(user, wanted.current_password, {})
        return self.parts.store.write(
            users.replace_profile, user.id, wanted, req.context.session_id
        )


class OwnPassword(Resource):
    """`/users/password`."""

    @operation(
        "Change own password",
        access=Access.SELF,
        body=PasswordInput,
        answer=Answer(200, Message),
        errors=(429,),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """Every other session of the user ends."""
        user, wanted = req.context.user, req.context.body
        others = users.bad_choice(wanted)
        with self.parts.limiter.guard(f"password of {user.id}"):
            users.prove(user, wanted.current_password, others)
        if others:
            raise ValidationError(others)
        kept = passwords.hash_password(wanted.new_password)
        self.parts.store.write(users.set_password, user.id, kept, req.context.session_id)
        return {"message": _PASSWORD_CHANGED}


class OwnTokens(Resource):
    """`/users/tokens`."""

    @operation(
        "List own API tokens",
        access=Access.SELF,
        query=PageQuery,
        answer=Answer(200, Token, is_list=True, is_paged=True),
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Page:
        """Newest first."""
        return api_tokens.page(req.context.user, req.context.query.paging)

    @operation(
        "Create an API token",
        access=Access.SELF,
        body=TokenInput,
        answer=Answer(201, NewToken, example={"last_used_at": None}),
        errors=(409,),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """The text of the token is in this answer alone; it is sent as a Bearer token."""
        return self.parts.store.write(api_tokens.create, req.context.user, req.context.body)

    @operation("Delete an API token", access=Access.SELF, answer=Answer(204), errors=(404,))
    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, token_id: int) -> None:
        """It stops working at once."""
        self.parts.store.write(api_tokens.delete, req.context.user, token_id)


class OwnSessions(Resource):
    """`/users/sessions`."""

    @operation(
        "List own sessions",
        access=Access.SELF,
        query=PageQuery,
        answer=Answer(200, UserSession, is_list=True, is_paged=True),
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Page:
        """Those that stand, newest first."""
        return sessions.page(req.context.user, req.context.session_id, req.context.query.paging)

    @operation("End a session", access=Access.SELF, answer=Answer(204), errors=(404,))
    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, session_id: int) -> None:
        """Its tokens stop working at once."""
        self.parts.store.write(sessions.end_own, req.context.user, session_id)


class Users(Resource):
    """`/users`, `/users/{id}`."""

    @operation(
        "List all users",
        access=Access.ADMIN,
        query=PageQuery,
        answer=Answer(200, Account, is_list=True, is_paged=True),
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Page:
        """Oldest first."""
        return users.page(req.context.query.paging)

    @operation("Create a user", access=Access.ADMIN, body=UserInput, answer=Answer(201, Account))
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """Also while registration is closed."""
        kept = passwords.hash_password(req.context.body.password)
        return self.parts.store.write(users.create, req.context.body, kept)

    @operation("Get a user", access=Access.ADMIN, answer=Answer(200, Account), errors=(404,))
    def on_get_one(
        self, req: falcon.Request, resp: falcon.Response, user_id: int
    ) -> dict[str, Any]:
        """One account."""
        return users.to_dict(users.find(user_id))

    @operation(
        "Change a user",
        access=Access.ADMIN,
        body=UserChange,
        answer=Answer(200, Account),
        errors=(404, 409),
    )
    def on_patch_one(
        self, req: falcon.Request, resp: falcon.Response, user_id: int
    ) -> dict[str, Any]:
        """The role, or whether they may sign in; it holds from their next request on."""
        return self.parts.store.write(users.change, user_id, req.context.body)

    @operation("Delete a user", access=Access.ADMIN, answer=Answer(204), errors=(404, 409))
    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, user_id: int) -> None:
        """With all that is their own."""
        for service_id in self.parts.store.write(users.delete, user_id):
            self.parts.engine.refresh(service_id)
