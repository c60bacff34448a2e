package dev.isthmus.tools.commands;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.isthmus.bindings.CpuInfo;
import dev.isthmus.bindings.LibraryStatus;
import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.bindings.NativeLibrary;
import dev.isthmus.bindings.Platform;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Backends;
import dev.isthmus.tools.io.Console;
import dev.isthmus.tools.io.Json;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Reports what was found on this machine and what is used. */
@Command(name = "info", mixinStandardHelpOptions = true, sortOptions = false,
        versionProvider = IsthmusCommand.Version.class,
        description = "Reports what was found on this machine, what is used, and why: Java, processor, OpenBLAS, our"
                + " own kernels, threads and CUDA.",
        footerHeading = "%n",
        footer = "With --json: version, java, os, cpu, libraries, kernels, native_cache and cuda.")
final class InfoCommand implements Callable<Integer> {

    /** The instruction sets that matrix arithmetic gains from, by the kernel's names. */
    private static final Set<String> FEATURES = Set.of("sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f",
            "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16",
            "amx_int8", "asimd", "asimddp", "asimdhp", "i8mm", "bf16", "sve", "sve2");

    private final Console console;

    @Mixin
    private OutputFlags output;

    InfoCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        CpuInfo cpu = CpuInfo.current();
        List<LibraryStatus> libraries = List.of(NativeLibraries.status(NativeLibrary.OPENBLAS),
                NativeLibraries.status(NativeLibrary.ISTHMUS));
        Cuda cuda = cuda();
        String kernels = kernels(cpu.processors());
        if (output.json) {
            Json.object(console.out(), json -> write(json, cpu, libraries, kernels, cuda));
        } else {
            print(cpu, libraries, kernels, cuda);
        }
        return 0;
    }

    private static String version() {
        return new IsthmusCommand.Version().getVersion()[0].substring("isthmus ".length());
    }

    private static String kernels(int threads) {
        try (Backend backend = Backends.cpu(threads)) {
            return backend.description();
        } catch (BackendException e) {
            return "cannot be used: " + e.getMessage();
        }
    }

    /** Whether the GPU can be used, and which it is or why not. */
    private record Cuda(boolean usable, String reason) {}

    private static Cuda cuda() {
        try (Backend backend = Backends.cuda()) {
            boolean auto = Backends.mayHaveGpu();
            return new Cuda(true, backend.description() + (auto ? "" : " (a stand-in, which auto does not take)"));
        } catch (BackendException e) {
            return new Cuda(false, e.getMessage());
        }
    }

    private static List<String> features(CpuInfo cpu) {
        return cpu.features().stream().filter(FEATURES::contains).sorted().toList();
    }

    /** Where the bundled libraries were unpacked to; empty if none was. */
    private static Optional<Path> cache(List<LibraryStatus> libraries) {
        return libraries.stream().flatMap(status -> status.loaded().stream())
                .filter(loaded -> loaded.origin() == LibraryStatus.Origin.BUNDLED)
                .map(loaded -> Path.of(loaded.path()).getParent().getParent()).findFirst();
    }

    private void print(CpuInfo cpu, List<LibraryStatus> libraries, String kernels, Cuda cuda) {
        PrintWriter out = console.out();
        line(out, "isthmus", version());
        line(out, "java", System.getProperty("java.vm.name") + " " + Runtime.version() + ", "
                + System.getProperty("java.home"));
        line(out, "system", System.getProperty("os.name") + " " + System.getProperty("os.version") + ", "
                + Platform.current());
        line(out, "processor", cpu.model());
        line(out, "instructions", features(cpu).isEmpty() ? "unknown" : String.join(" ", features(cpu)));
        line(out, "threads", cpu.processors() + " (one for each core that this process may use)");
        for (LibraryStatus library : libraries) {
            String[] report = library.report().split("\n");
            line(out, library.library().title(), report[0].replaceFirst("^" + library.library().title() + ":? ?", ""));
            for (int i = 1; i < report.length; i++) {
                line(out, "", report[i].strip());
            }
        }
        line(out, "kernels", kernels);
        line(out, "native cache", cache(libraries).map(Path::toString).orElse("not used"));
        String[] reason = cuda.reason().split("\n");
        line(out, "CUDA", (cuda.usable() ? "" : "not used: ") + reason[0]);
        for (int i = 1; i < reason.length; i++) {
            line(out, "", reason[i].strip());
        }
    }

    private static void line(PrintWriter out, String name, String value) {
        out.printf(Locale.ROOT, "%-14s %s%n", name, value);
    }

    private static void write(JsonGenerator json, CpuInfo cpu, List<LibraryStatus> libraries, String kernels,
            Cuda cuda) throws IOException {
        json.writeStringField("version", version());
        json.writeObjectFieldStart("java");
        json.writeStringField("version", Runtime.version().toString());
        json.writeStringField("vm", System.getProperty("java.vm.name"));
        json.writeStringField("home", System.getProperty("java.home"));
        json.writeEndObject();
        json.writeStringField("os", System.getProperty("os.name") + " " + System.getProperty("os.version"));
        json.writeStringField("platform", Platform.current().name());
        json.writeObjectFieldStart("cpu");
        json.writeStringField("model", cpu.model());
        json.writeNumberField("processors", cpu.processors());
        json.writeArrayFieldStart("features");
        for (String feature : features(cpu)) {
            json.writeString(feature);
        }
        json.writeEndArray();
        json.writeEndObject();
        json.writeObjectFieldStart("libraries");
        for (LibraryStatus library : libraries) {
            write(json, library);
        }
        json.writeEndObject();
        json.writeStringField("kernels", kernels);
        json.writeStringField("native_cache", cache(libraries).map(Path::toString).orElse(null));
        json.writeObjectFieldStart("cuda");
        json.writeBooleanField("driver_found", NativeLibraries.isAvailable(NativeLibrary.CUDA));
        json.writeBooleanField("usable", cuda.usable());
        json.writeStringField("reason", cuda.reason());
        json.writeEndObject();
    }

    private static void write(JsonGenerator json, LibraryStatus library) throws IOException {
        json.writeObjectFieldStart(library.library().name().toLowerCase(Locale.ROOT));
        json.writeBooleanField("available", library.available());
        if (library.loaded().isPresent()) {
            LibraryStatus.Loaded loaded = library.loaded().get();
            json.writeStringField("origin", loaded.origin().toString());
            json.writeStringField("path", loaded.path());
            for (Map.Entry<String, String> detail : loaded.details().entrySet()) {
                json.writeStringField(detail.getKey(), detail.getValue());
            }
        }
        json.writeArrayFieldStart("attempts");
        for (LibraryStatus.Attempt attempt : library.attempts()) {
            json.writeString(attempt.toString());
        }
        json.writeEndArray();
        json.writeEndObject();
    }
}
