"""`neve policies`: what users may do."""

import json
from pathlib import Path
from typing import Annotated

import typer

from neve.cli.administering import (
    AccountOption,
    DirectoryArgument,
    administering,
    plain,
    read_document,
    show_view,
    show_views,
)
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.output import OutputFormat, OutputOption, note, result, result_json
from neve.server.administration.messages import (
    AttachPolicy,
    DeletePolicy,
    DetachPolicy,
    ListPolicies,
    PutPolicy,
    ShowPolicy,
    SimulateRequest,
)

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)

PolicyArgument = Annotated[str, typer.Argument(metavar="POLICY", help="Name of the policy.")]
UserArgument = Annotated[str, typer.Argument(metavar="USER", help="Name of the user.")]


@app.callback()
def _policies() -> None:
    """Make, list and attach policies, and ask what they say. A server may be running."""


@app.command()
def put(
    directory: DirectoryArgument,
    policy_name: PolicyArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The document, in JSON; - is standard input.")],
    account_id: AccountOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Make a policy, or give one that is there a new document.

    The document is AWS's own JSON, as docs/policies.md describes it. One that cannot be read, or that names an
    operator nobody knows, is refused with what is wrong and where, and nothing changes. Whoever has the policy
    attached is held to the new document from the next request on.
    """
    document = read_document(file)
    with administering(directory) as administrator:
        view = administrator.ask(PutPolicy(account_id=account_id, policy_name=policy_name, document=document))
    show_view(view, output)


@app.command(name="list")
def list_policies(
    directory: DirectoryArgument, account_id: AccountOption = None, output: OutputOption = OutputFormat.TEXT
) -> None:
    """List an account's policies, and those that are ready-made."""
    with administering(directory) as administrator:
        policies = administrator.ask(ListPolicies(account_id=account_id))
    columns = {
        "policy": "policy_name",
        "ready-made": "ready_made",
        "created": "created",
        "updated": "updated",
    }
    show_views(policies, columns, output)


@app.command()
def show(
    directory: DirectoryArgument,
    policy_name: PolicyArgument,
    account_id: AccountOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Show a policy's document, as it was put; as JSON, with whom it is attached to."""
    with administering(directory) as administrator:
        policy = administrator.ask(ShowPolicy(account_id=account_id, policy_name=policy_name))
    if output is OutputFormat.JSON:
        result_json(plain(policy) | {"document": json.loads(policy.document)})
    else:
        result(policy.document.rstrip("\n"))


@app.command()
def delete(
    directory: DirectoryArgument, policy_name: PolicyArgument, account_id: AccountOption = None
) -> None:
    """Delete a policy that is attached to nobody."""
    with administering(directory) as administrator:
        administrator.ask(DeletePolicy(account_id=account_id, policy_name=policy_name))
    result(f"{policy_name} is deleted.")


@app.command()
def attach(
    directory: DirectoryArgument,
    policy_name: PolicyArgument,
    user_name: UserArgument,
    account_id: AccountOption = None,
) -> None:
    """Attach a policy to a user. Repeating it changes nothing."""
    with administering(directory) as administrator:
        administrator.ask(AttachPolicy(account_id=account_id, policy_name=policy_name, user_name=user_name))
    result(f"{policy_name} is attached to {user_name}.")


@app.command()
def detach(
    directory: DirectoryArgument,
    policy_name: PolicyArgument,
    user_name: UserArgument,
    account_id: AccountOption = None,
) -> None:
    """Take a policy off a user. One that is not attached is no error."""
    with administering(directory) as administrator:
        administrator.ask(DetachPolicy(account_id=account_id, policy_name=policy_name, user_name=user_name))
    result(f"{policy_name} is not attached to {user_name}.")


@app.command()
def simulate(
    directory: DirectoryArgument,
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="Such as ebs:PutSnapshotBlock or kms:Decrypt.")
    ],
    resource: Annotated[
        str,
        typer.Argument(
            metavar="[RESOURCE]",
            help="A snapshot's id, an ARN, a KMS key's id or alias; * where there is none.",
        ),
    ] = "*",
    *,
    user: Annotated[
        str,
        typer.Option(metavar="USER", help="Who asks. (default: the account itself, which may do everything)"),
    ] = "",
    context: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="A condition key of the request, such as aws:SourceIp=10.0.0.7; repeat it for more.",
        ),
    ] = None,
    account_id: AccountOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Say whether a request would be allowed, and which statement decides.

    Asks what the server would ask, of the policies as they stand. The tags of a snapshot that is there are looked
    up; what a request would bring along is told with --context. Exit status 3 if it would be denied.
    """
    given: dict[str, list[str]] = {}
    for pair in context or []:
        key, equals, value = pair.partition("=")
        if not equals:
            raise CommandFailed(f"--context {pair}: write KEY=VALUE.", ExitCode.USAGE)
        given.setdefault(key, []).append(value)
    request = SimulateRequest(
        account_id=account_id, user_name=user, action=action, resource=resource, context=given
    )
    with administering(directory) as administrator:
        decision = administrator.ask(request)
    if output is OutputFormat.JSON:
        result_json(plain(decision))
    else:
        result(decision.explanation)
        for line in decision.notes:
            note(f"Note: {line}.")
    if not decision.allowed:
        raise typer.Exit(ExitCode.REFUSED)
