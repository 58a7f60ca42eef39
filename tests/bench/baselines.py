"""Other ways to run a program in isolation, on the same root file system: bwrap, runc, crun."""
import contextlib
import json
import pathlib
import shutil
import subprocess
import tempfile

RUNTIMES = ("runc", "crun")


def _layers(data_dir, template):
    manifest = json.loads((pathlib.Path(data_dir) / "templates" / f"{template}.json").read_text(encoding="utf-8"))
    return [pathlib.Path(data_dir) / "layers" / name for name in reversed(manifest["layers"])]


@contextlib.contextmanager
def _root_file_system(data_dir, template):
    """The template's layers below an overlay whose upper directory is in memory, as fast as an upper can be."""
    base = pathlib.Path(tempfile.mkdtemp(prefix="warren-bench."))
    mounted = []
    try:
        subprocess.run(["mount", "-t", "tmpfs", "warren-bench", base], check=True)
        mounted.append(base)
        for name in ("upper", "work", "rootfs", "state"):
            (base / name).mkdir()
        lower = ":".join(str(layer) for layer in _layers(data_dir, template))
        options = f"lowerdir={lower},upperdir={base}/upper,workdir={base}/work"
        subprocess.run(["mount", "-t", "overlay", "warren-bench", "-o", options, base / "rootfs"], check=True)
        mounted.append(base / "rootfs")
        yield base
    finally:
        for path in reversed(mounted):
            subprocess.run(["umount", path], check=False)
        base.rmdir()


def _bundle(base, runtime):
    bundle = base / f"bundle-{runtime}"
    bundle.mkdir()
    subprocess.run([runtime, "spec"], cwd=bundle, check=True)
    path = bundle / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["process"]["args"] = ["/bin/true"]
    config["process"]["terminal"] = False
    config["root"] = {"path": str(base / "rootfs"), "readonly": False}
    path.write_text(json.dumps(config), encoding="utf-8")
    return bundle


def _runtime_words(base, runtime):
    return [shutil.which(runtime), "--root", str(base / "state" / runtime), "run",
            "--bundle", str(_bundle(base, runtime)), "%u"]


def _why_not(words):
    """None if it runs, else the last line that it says."""
    words = ["warren-bench-probe" if word == "%u" else word for word in words]
    result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return None
    lines = (result.stderr + result.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit status {result.returncode}"


def _bwrap_words(base):
    return [shutil.which("bwrap"), "--unshare-all", "--die-with-parent", "--bind", str(base / "rootfs"), "/",
            "--proc", "/proc", "--dev", "/dev", "/bin/true"]


@contextlib.contextmanager
def prepared(data_dir, template):
    """Yields ({name: words} of those that run here, {name: why not} of the others)."""
    with _root_file_system(data_dir, template) as base:
        usable, refused = {"fork, exec, wait of /bin/true on the host": ["/bin/true"]}, {}
        tried = {"bwrap --unshare-all": ("bwrap", lambda: _bwrap_words(base))}
        tried |= {f"{runtime} run": (runtime, lambda runtime=runtime: _runtime_words(base, runtime)) for runtime in RUNTIMES}
        for name, (program, make_words) in tried.items():
            if not shutil.which(program):
                refused[name] = "not installed (tools/install-deps bench)"
                continue
            words = make_words()
            reason = _why_not(words)
            if reason:
                refused[name] = reason
            else:
                usable[name] = words
        yield usable, refused
