package dev.isthmus.engine.cache;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/**
 * The most memory that a model's caches may take together. Native memory that runs out takes the virtual machine down
 * with it, or the process's container, so it must not come to that.
 *
 * @param most bytes; 0 for half of what the machine has, or the container where the process is in one
 */
public record CacheLimit(long most) {

    /** As much as any machine has, so that it need not be asked, which takes some hundredths of a second. */
    private static final long LITTLE = 256L << 20;

    /** Half of what the machine has. */
    public static final CacheLimit AUTOMATIC = new CacheLimit(0);

    /** What is known once it has been asked for. */
    private static final class Machine {

        private static final long HALF = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class)
                .getTotalMemorySize() / 2;
    }

    /** Whether the caches may take so many bytes. */
    boolean allows(long bytes) {
        return most > 0 ? bytes <= most : bytes <= LITTLE || bytes <= Machine.HALF;
    }

    /** The most bytes that the caches may take. */
    long bytes() {
        return most > 0 ? most : Machine.HALF;
    }

    @Override
    public String toString() {
        return bytes() + " bytes";
    }
}
