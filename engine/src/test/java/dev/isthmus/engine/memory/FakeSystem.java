package dev.isthmus.engine.memory;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes the files by which Linux tells what memory there is. */
public final class FakeSystem {

    static final long MIB = 1L << 20;

    private final Path root;

    /** A machine without containers that has so much memory, all of it free. */
    public FakeSystem(Path root, long mebibytes) {
        this.root = root;
        machine(mebibytes, mebibytes, 0);
        write("proc/self/cgroup", "0::/\n");
        write("proc/self/mountinfo", "30 22 0:27 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n");
    }

    /** What SystemMemory finds there. */
    public SystemMemory memory() {
        return new SystemMemory(root);
    }

    /** Sets the machine's figures, in MiB. */
    public void machine(long total, long available, long freeSwap) {
        write("proc/meminfo", "MemTotal:       " + total * 1024 + " kB\nMemFree:        1 kB\nMemAvailable:   "
                + available * 1024 + " kB\nSwapFree:       " + freeSwap * 1024 + " kB\n");
    }

    void write(String file, String text) {
        try {
            Path path = root.resolve(file);
            Files.createDirectories(path.getParent());
            Files.writeString(path, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Puts the process into a control group of version 1, as Docker does; the container's own group is the mount. */
    void dockerVersion1(long limit, long used, long files) {
        write("proc/self/cgroup", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n");
        write("proc/self/mountinfo", "34 30 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
                + "35 30 0:32 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n");
        version1("sys/fs/cgroup/memory/", limit, used, files);
    }

    void version1(String directory, long limit, long used, long files) {
        write(directory + "memory.limit_in_bytes", limit * MIB + "\n");
        write(directory + "memory.usage_in_bytes", used * MIB + "\n");
        write(directory + "memory.stat", "cache 1\ninactive_file 1\ntotal_inactive_file " + files * MIB
                + "\ntotal_active_file 0\n");
    }

    void version2(String directory, String limit, long used, long files) {
        write(directory + "memory.max", limit + "\n");
        write(directory + "memory.current", used * MIB + "\n");
        write(directory + "memory.stat", "anon 1\nactive_file " + files * MIB + "\ninactive_file 0\n");
    }
}
