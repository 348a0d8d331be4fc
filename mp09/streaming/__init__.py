"""Streaming: images go through a model in the `improv` framework, from actor to actor.

    Acquirer -> Processor (one or several) -> Writer -> Acquirer

The acquirer reads images and puts them into improv's store; the actors send each other only the ids of what lies there.
The writer tells the acquirer what it has written, which bounds how many frames are on their way. improv needs older
versions of packages than the course does, so it has an environment of its own (`make stream`), and `run` drives it from
here.
"""
