"""The responder: a case is opened, logs are collected, watched and restored."""
