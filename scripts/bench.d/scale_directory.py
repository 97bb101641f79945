"""Files in one directory: what one more costs."""

SPARSE = ["-E", "lazy_itable_init=1,lazy_journal_init=1"]
SAMPLE = 20_000


def measure(place, server, size):
    """If a server is too slow for `size` files, its cost is that of the files made in the time there was."""
    tools, limit = place.tools, place.patience / 4
    place.target.make(size * 1024 + (512 << 20), [*SPARSE, "-N", str(size + 1000)], sparse=True)
    with place.session(server) as session:
        root = session.path("files")

        def driver(command, files, *more):
            done, seconds = tools.driver(
                command, root, "--files", files, "--per-directory", size, "--seconds", limit, *more
            )
            return done, seconds * 1e6 / done

        files, create = driver("create", size, "--bytes", 0)
        session.make_cold()
        place.target.warm()
        sample = min(files, SAMPLE)
        looked, lookup = driver("stat", files, "--sample", sample)
        session.settle()
        removed, unlink = driver("unlink", files)
    return {
        "create": (create, files == size),
        "lookup": (lookup, files == size and looked == sample),
        "unlink": (unlink, files == size and removed == files),
    }
