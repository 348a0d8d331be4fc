"""Streaming: pictures through a network in the `improv` framework, actor by actor.

    Acquirer -> Processor (one or several) -> Writer -> Acquirer

The acquirer reads pictures and puts them into improv's store; what goes from actor to actor are their ids. The writer
tells the acquirer what is written, which bounds what is on its way. improv needs packages older than the course's, and
has an environment of its own (`make stream`); `run` drives it from here.
"""
