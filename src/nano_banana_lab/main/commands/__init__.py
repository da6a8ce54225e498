"""One module for each command, with its `command`, loaded when it is called; beside them, what several of them share."""
