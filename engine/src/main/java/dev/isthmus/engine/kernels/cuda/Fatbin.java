package dev.isthmus.engine.kernels.cuda;

import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.engine.errors.BackendException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Properties;

/** The compiled kernels for several kinds of devices, as native-src puts them into its jar. */
final class Fatbin {

    private static final String IMAGE = "META-INF/native/cuda/isthmus.fatbin";

    private Fatbin() {}

    /**
     * What the driver loads.
     *
     * @throws BackendException if it is not on the class path
     */
    static byte[] image() {
        return read(IMAGE);
    }

    /**
     * The CUDA version that a driver must support, such as 13000 for 13.0.
     *
     * @throws BackendException if it is not on the class path
     */
    static int driver() {
        Properties properties = new Properties();
        try {
            properties.load(new ByteArrayInputStream(read(IMAGE + ".properties")));
        } catch (IOException e) {
            throw new AssertionError("an array cannot fail to be read", e);
        }
        return Integer.parseInt(properties.getProperty("driver.version"));
    }

    private static byte[] read(String resource) {
        try (InputStream in = NativeLibraries.class.getClassLoader().getResourceAsStream(resource)) {
            if (in == null) {
                throw new BackendException("cuda: loading the kernels: expected " + resource + " on the class path, "
                        + "found none; it comes with the jar isthmus-native. Add that or use the CPU backend");
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new BackendException("cuda: loading the kernels: " + resource + " cannot be read: " + e.getMessage(),
                    e);
        }
    }
}
