"""From a user's request (command line, file, Python) to typed settings, resolved once.

::

    grid.py               KEY=VALUE[,VALUE…] and seeds
    training_settings.py  the settings that every method and task shares
    parts.py              the parts that a task and a method bring together, and their keys
    by_user.py            which values the user chose
    resolve.py            who decides each value: typed settings and parts
    options.py            how a request is carried out
    study_file.py         a request from a TOML file
"""
