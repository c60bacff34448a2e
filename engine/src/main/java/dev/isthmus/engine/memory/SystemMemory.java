package dev.isthmus.engine.memory;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The memory that this process can get: the machine's, or its container's where that is less. Linux is asked through
 * /proc and the files of control groups, versions 1 and 2, which takes less than a millisecond; other systems through
 * the platform's management bean. Any number of threads may use it.
 */
public final class SystemMemory {

    /** What control groups say where there is no limit, and anything near it. */
    private static final long UNLIMITED = Long.MAX_VALUE / 4;

    private final Path root;

    /** The memory of the machine that this runs on. */
    public SystemMemory() {
        this(Path.of("/"));
    }

    /**
     * The memory that the files of another tree describe.
     *
     * @param root holds proc, and what the paths in proc/self/mountinfo name
     */
    SystemMemory(Path root) {
        this.root = root;
    }

    /**
     * One moment's figures in bytes.
     *
     * @param total what the machine has, or the container may take
     * @param available what can still be taken, files that the system may drop from memory and free swap included
     * @param container whether the limit is a container's
     */
    public record Figures(long total, long available, boolean container) {

        private Figures within(Figures group) {
            return new Figures(Math.min(total, group.total), Math.min(available, group.available),
                    container || group.total < total);
        }
    }

    /** Asks the system. */
    public Figures figures() {
        Table machine = Table.read(root.resolve("proc/meminfo"));
        long total = machine.kibibytes("MemTotal");
        if (total <= 0) {
            return ofPlatform();
        }
        long swap = Math.max(0, machine.kibibytes("SwapFree"));
        Figures figures = new Figures(total, machine.kibibytes("MemAvailable") + swap, false);
        try {
            for (ControlGroup group : ControlGroup.ofProcess(root)) {
                figures = figures.within(new Figures(group.limit(), group.available(swap), true));
            }
        } catch (IOException | RuntimeException unknown) {
            // The machine's own figures remain: a control group that cannot be read limits nothing that is known.
            return figures;
        }
        return figures;
    }

    private static Figures ofPlatform() {
        OperatingSystemMXBean system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        // Free memory leaves out what the system would drop, so that only the total bounds what can be taken.
        return new Figures(system.getTotalMemorySize(), system.getTotalMemorySize(), false);
    }

    /** A file of lines that are a name and a number. */
    private record Table(List<String> lines) {

        static Table read(Path file) {
            try {
                return new Table(Files.readAllLines(file));
            } catch (IOException | RuntimeException none) {
                return new Table(List.of());
            }
        }

        /** The number after a name; -1 where the file does not have it. */
        long get(String name) {
            for (String line : lines) {
                if (line.startsWith(name) && line.length() > name.length()
                        && (line.charAt(name.length()) == ' ' || line.charAt(name.length()) == ':')) {
                    return number(line.substring(name.length() + 1).strip().split(" ")[0]);
                }
            }
            return -1;
        }

        long kibibytes(String name) {
            long value = get(name);
            return value < 0 ? -1 : value * 1024;
        }
    }

    /** The number that a file of a control group holds; very many for "max", -1 for what is none. */
    private static long number(String text) {
        if (text.equals("max")) {
            return UNLIMITED;
        }
        try {
            return Math.min(Long.parseLong(text), UNLIMITED);
        } catch (NumberFormatException none) {
            return -1;
        }
    }

    /**
     * A control group that limits memory: the process's own or one above it.
     *
     * @param directory its files
     * @param version 1 or 2
     */
    private record ControlGroup(Path directory, int version) {

        /** Those of the process, up to the root that it sees. */
        static List<ControlGroup> ofProcess(Path root) throws IOException {
            List<String> memberships = Files.readAllLines(root.resolve("proc/self/cgroup"));
            List<ControlGroup> groups = new ArrayList<>();
            for (String mount : Files.readAllLines(root.resolve("proc/self/mountinfo"))) {
                int version = version(mount);
                String path = version == 0 ? null : path(memberships, version);
                if (path != null) {
                    add(groups, root, mount.split(" "), path, version);
                }
            }
            return groups;
        }

        /** The version of the hierarchy that a line of mountinfo mounts, if it has memory's files; else 0. */
        private static int version(String mount) {
            int end = mount.indexOf(" - ");
            String[] type = end < 0 ? new String[0] : mount.substring(end + 3).split(" ");
            if (type.length > 0 && type[0].equals("cgroup2")) {
                return 2;
            }
            return type.length > 2 && type[0].equals("cgroup") && List.of(type[2].split(",")).contains("memory") ? 1 : 0;
        }

        /** The group of the process in a hierarchy, by the lines "number:controllers:path"; null for none. */
        private static String path(List<String> memberships, int version) {
            for (String line : memberships) {
                String[] parts = line.split(":", 3);
                if (parts.length == 3 && (version == 2 ? parts[1].isEmpty()
                        : List.of(parts[1].split(",")).contains("memory"))) {
                    return parts[2];
                }
            }
            return null;
        }

        /** A container sees its own group at the mount's place, whatever the path of the group is outside it. */
        private static void add(List<ControlGroup> groups, Path root, String[] mount, String path, int version) {
            String mounted = mount[3];
            Path top = root.resolve(mount[4].substring(1));
            String below = path.startsWith(mounted) ? path.substring(mounted.length()) : "";
            Path directory = top.resolve(below.startsWith("/") ? below.substring(1) : below).normalize();
            for (Path each = Files.isDirectory(directory) ? directory : top; each != null && each.startsWith(top);
                    each = each.getParent()) {
                groups.add(new ControlGroup(each, version));
            }
        }

        private long read(String file, long otherwise) {
            try {
                long value = number(Files.readString(directory.resolve(file)).strip());
                return value < 0 ? otherwise : value;
            } catch (IOException none) {
                return otherwise;
            }
        }

        long limit() {
            return read(version == 2 ? "memory.max" : "memory.limit_in_bytes", UNLIMITED);
        }

        /** What can still be taken of the limit, with files that would make room, and with swap that is allowed. */
        long available(long freeSwap) {
            long limit = limit();
            if (limit == UNLIMITED) {
                return UNLIMITED;
            }
            Table statistics = Table.read(directory.resolve("memory.stat"));
            String prefix = version == 2 ? "" : "total_";
            long files = Math.max(0, statistics.get(prefix + "inactive_file"))
                    + Math.max(0, statistics.get(prefix + "active_file"));
            long used = read(version == 2 ? "memory.current" : "memory.usage_in_bytes", 0);
            return Math.max(0, limit - Math.max(0, used - files)) + swap(limit, freeSwap);
        }

        private long swap(long limit, long freeSwap) {
            if (freeSwap == 0) {
                return 0;
            }
            if (version == 2) {
                return Math.clamp(read("memory.swap.max", 0) - read("memory.swap.current", 0), 0, freeSwap);
            }
            long both = read("memory.memsw.limit_in_bytes", UNLIMITED);
            long swapped = Math.max(0, read("memory.memsw.usage_in_bytes", 0) - read("memory.usage_in_bytes", 0));
            return Math.clamp(both - limit - swapped, 0, freeSwap);
        }
    }
}
