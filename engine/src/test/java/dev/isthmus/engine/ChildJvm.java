package dev.isthmus.engine;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** JVMs of their own, with everything on the class path, for what a test must not do to its own process. */
public final class ChildJvm {

    private static final Pattern OTHER = Pattern.compile("Other \\(reserved=(\\d+)");

    private ChildJvm() {}

    /**
     * A process that is not started yet, its standard error joined to its standard output.
     *
     * @param options the virtual machine's
     * @param mainClass a class of the tests or of their dependencies
     */
    public static ProcessBuilder of(List<String> options, String mainClass, List<String> arguments) {
        List<String> command = new ArrayList<>(List.of(tool("java")));
        command.addAll(options);
        command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-cp",
                String.join(File.pathSeparator, Path.of("target", "test-classes").toString(),
                        System.getProperty("jdk.module.path", ""), System.getProperty("java.class.path")), mainClass));
        command.addAll(arguments);
        return new ProcessBuilder(command).redirectErrorStream(true);
    }

    /**
     * The bytes that a process holds outside the Java heap for arenas and buffers: its virtual machine counts them
     * where it runs with {@code -XX:NativeMemoryTracking=summary}.
     */
    public static long nativeBytes(Process process) throws IOException, InterruptedException {
        Process jcmd = new ProcessBuilder(tool("jcmd"), Long.toString(process.pid()), "VM.native_memory", "summary",
                "scale=B").redirectErrorStream(true).start();
        String report = new String(jcmd.getInputStream().readAllBytes());
        jcmd.waitFor();
        Matcher other = OTHER.matcher(report);
        if (other.find()) {
            return Long.parseLong(other.group(1));
        }
        if (report.contains("Native Memory Tracking:")) {
            return 0;
        }
        throw new IOException("no report of native memory: " + report);
    }

    private static String tool(String name) {
        return Path.of(System.getProperty("java.home"), "bin", name).toString();
    }
}
