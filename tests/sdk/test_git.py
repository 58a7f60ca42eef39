"""The git helper against a `git daemon` inside the sandbox."""

import e2b
import pytest

AUTHOR = {"author_name": "A. U. Thor", "author_email": "author@example.com"}
URL = "git://127.0.0.1:9418"


@pytest.fixture(scope="module")
def daemon(sandbox):
    """Serves /home/user/served; pushing is allowed."""
    sandbox.files.make_dir("/home/user/served")
    handle = sandbox.commands.run(
        "git daemon --reuseaddr --export-all --enable=receive-pack --listen=127.0.0.1 --base-path=/home/user/served",
        background=True, timeout=0)
    sandbox.commands.run("until (exec 3<>/dev/tcp/127.0.0.1/9418) 2>/dev/null; do sleep 0.05; done")
    yield URL
    handle.kill()


@pytest.fixture
def repository(sandbox, folder):
    path = f"{folder}/repository"
    sandbox.git.init(path, initial_branch="main")
    sandbox.files.write(f"{path}/README", "first\n")
    sandbox.git.add(path)
    sandbox.git.commit(path, "first commit", **AUTHOR)
    return path


@pytest.fixture
def remote(sandbox, daemon, folder, repository):
    """A bare repository behind the daemon with the repository's content."""
    name = folder.rsplit("/", 1)[1]
    sandbox.git.init(f"/home/user/served/{name}.git", bare=True, initial_branch="main")
    url = f"{daemon}/{name}.git"
    sandbox.git.remote_add(repository, "origin", url)
    sandbox.git.push(repository, remote="origin", branch="main")
    return url


def test_init_add_commit_status(sandbox, folder):
    path = f"{folder}/new"
    sandbox.git.init(path, initial_branch="trunk")
    assert sandbox.git.status(path).current_branch == "trunk"
    sandbox.files.write(f"{path}/one", "1")
    status = sandbox.git.status(path)
    assert not status.is_clean and status.has_untracked
    assert [(entry.name, entry.status, entry.staged) for entry in status.file_status] == [("one", "untracked", False)]
    sandbox.git.add(path)
    assert [(entry.name, entry.status, entry.staged) for entry in sandbox.git.status(path).file_status] == [("one", "added", True)]
    sandbox.git.commit(path, "it's \"quoted\" $HOME", **AUTHOR)
    assert sandbox.git.status(path).is_clean
    log = sandbox.commands.run("git log --format='%an|%ae|%s'", cwd=path).stdout
    assert log == "A. U. Thor|author@example.com|it's \"quoted\" $HOME\n"


def test_branches(sandbox, repository):
    sandbox.git.create_branch(repository, "topic")
    assert sandbox.git.branches(repository).current_branch == "topic"
    sandbox.git.checkout_branch(repository, "main")
    found = sandbox.git.branches(repository)
    assert found.current_branch == "main" and sorted(found.branches) == ["main", "topic"]
    sandbox.git.delete_branch(repository, "topic")
    assert sandbox.git.branches(repository).branches == ["main"]


def test_reset_and_restore(sandbox, repository):
    sandbox.files.write(f"{repository}/README", "changed\n")
    sandbox.git.restore(repository, ["README"])
    assert sandbox.files.read(f"{repository}/README") == "first\n"
    sandbox.files.write(f"{repository}/README", "changed\n")
    sandbox.git.add(repository, ["README"])
    assert sandbox.git.status(repository).has_staged
    sandbox.git.reset(repository)
    assert not sandbox.git.status(repository).has_staged
    sandbox.git.reset(repository, mode="hard")
    assert sandbox.git.status(repository).is_clean


def test_configuration(sandbox, repository):
    sandbox.git.configure_user("Local Name", "local@example.com", scope="local", path=repository)
    assert sandbox.git.get_config("user.name", scope="local", path=repository) == "Local Name"
    assert sandbox.git.get_config("no.such", scope="local", path=repository) is None
    sandbox.git.set_config("pull.rebase", "false", scope="global")
    assert sandbox.git.get_config("pull.rebase") == "false"


def test_push_and_clone(sandbox, folder, repository, remote):
    assert sandbox.git.remote_get(repository, "origin") == remote
    status = sandbox.git.status(repository)
    assert status.upstream == "origin/main" and (status.ahead, status.behind) == (0, 0)
    sandbox.git.clone(remote, f"{folder}/copy", depth=1)
    assert sandbox.files.read(f"{folder}/copy/README") == "first\n"


def test_pull(sandbox, folder, repository, remote):
    sandbox.git.clone(remote, f"{folder}/copy")
    sandbox.files.write(f"{repository}/more", "x")
    sandbox.git.add(repository)
    sandbox.git.commit(repository, "second", **AUTHOR)
    assert sandbox.git.status(repository).ahead == 1
    sandbox.git.push(repository)
    sandbox.git.pull(f"{folder}/copy")
    assert sandbox.files.exists(f"{folder}/copy/more")


def test_clone_of_a_branch(sandbox, folder, repository, remote):
    sandbox.git.create_branch(repository, "topic")
    sandbox.git.commit(repository, "on the branch", allow_empty=True, **AUTHOR)
    sandbox.git.push(repository, remote="origin", branch="topic")
    sandbox.git.clone(remote, f"{folder}/copy", branch="topic")
    assert sandbox.git.status(f"{folder}/copy").current_branch == "topic"


def test_errors(sandbox, folder, repository, daemon):
    with pytest.raises(e2b.GitAuthException):
        sandbox.git.clone(f"{daemon}/no-such.git", f"{folder}/nothing")
    with pytest.raises(e2b.CommandExitException, match="does not exist"):
        sandbox.git.clone("/no/such/repository", f"{folder}/nothing")
    with pytest.raises(e2b.GitUpstreamException):
        sandbox.git.pull(repository)
    with pytest.raises(e2b.CommandExitException, match="(?i)not a git repository"):
        sandbox.git.status("/tmp")
    with pytest.raises(e2b.CommandExitException):
        sandbox.git.checkout_branch(repository, "no-such-branch")


def test_credentials_are_stored(sandbox):
    sandbox.git.dangerously_authenticate("someone", "secret-token", host="git.example.com", protocol="https")
    assert "https://someone:secret-token@git.example.com" in sandbox.files.read("/home/user/.git-credentials")
