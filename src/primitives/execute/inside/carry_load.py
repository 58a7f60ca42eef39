# A cell: takes the variables that carry_save.py wrote into its context, and prints {"loaded": n, "left": {name: why}}.
def _warren_carry_load():
    import importlib
    import json
    import os
    import pickle

    path = "/tmp/.warren-carry-variables"
    with open(path, "rb") as file:
        saved = pickle.load(file)
    os.unlink(path)
    loaded, left = 0, {}
    for name, (kind, data) in saved.items():
        try:
            globals()[name] = importlib.import_module(data) if kind == "module" else pickle.loads(data)
            loaded += 1
        except Exception as error:
            left[name] = type(error).__name__
    print(json.dumps({"loaded": loaded, "left": left}))


try:
    _warren_carry_load()
finally:
    del _warren_carry_load
