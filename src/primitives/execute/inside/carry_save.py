# A cell: writes the variables of its context into a file, each pickled for itself, and prints {"saved": n, "left": {name: why}}.
def _warren_carry_save():
    import json
    import pickle
    import types

    max_bytes = 256 << 20
    names = {"In", "Out", "get_ipython", "exit", "quit"}
    saved, left, size = {}, {}, 0
    for name, value in list(globals().items()):
        if name.startswith("_") or name in names:
            continue
        if isinstance(value, types.ModuleType):
            saved[name] = ("module", value.__name__)
            continue
        try:
            data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            left[name] = type(error).__name__
            continue
        if size + len(data) > max_bytes:
            left[name] = "too large"
            continue
        size += len(data)
        saved[name] = ("value", data)
    with open("/tmp/.warren-carry-variables", "wb") as file:
        pickle.dump(saved, file, protocol=pickle.HIGHEST_PROTOCOL)
    print(json.dumps({"saved": len(saved), "left": left}))


try:
    _warren_carry_save()
finally:
    del _warren_carry_save
