"""A whole class: collects submissions from an export, grades them into a gradebook, and reports. For instructors."""
