"""Watch: follow files as they grow, and seal what was appended every so often.

A rescan of the sources, by device, inode and offset, is what finds everything; inotify only
brings the next one forward, because its queue can overflow.  Between rescans the files that are
active are looked at through their open descriptors, so that what is appended is held before
somebody can delete it.

- :mod:`~custody.watch.followed`: one content of one file: how far it is sealed, what is held.
- :mod:`~custody.watch.prefix`: samples of what is known, to notice that it was rewritten.
- :mod:`~custody.watch.scan`: one pass over the sources, without reading anything.
- :mod:`~custody.watch.places`: a link that is put in the place of a source is not followed.
- :mod:`~custody.watch.follower`: what a pass means: appended, renamed, truncated, gone.
- :mod:`~custody.watch.kinship`: a new file that is a copy, or a compressed copy, of a known one.
- :mod:`~custody.watch.sealing`: what is held becomes the records and payload of one bundle.
- :mod:`~custody.watch.resume`: where to go on, from the ledger and the bundles.
- :mod:`~custody.watch.stepping`: whether the host's clock was set back.
- :mod:`~custody.watch.running`: the loop.
"""
