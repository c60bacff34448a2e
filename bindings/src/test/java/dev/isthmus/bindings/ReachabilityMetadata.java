package dev.isthmus.bindings;

import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeElement;
import java.lang.classfile.MethodModel;
import java.lang.classfile.instruction.FieldInstruction;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What GraalVM's native-image must be told of the bindings: the shapes of the C functions that they call, and the files
 * that they read as resources. Read from the class files, since the classes cannot be initialised without the libraries
 * that they bind.
 */
final class ReachabilityMetadata {

    /** What the engine's CUDA backend reads. */
    static final String CUDA_KERNELS = "META-INF/native/cuda/isthmus.fatbin";

    private static final String FOREIGN = "java/lang/foreign/";

    /** Layouts by the types of the fields that hold them, with native-image's names of them. */
    private static final Map<String, String> LAYOUTS = Map.of(
            "Ljava/lang/foreign/ValueLayout$OfByte;", "char",
            "Ljava/lang/foreign/ValueLayout$OfShort;", "short",
            "Ljava/lang/foreign/ValueLayout$OfInt;", "int",
            "Ljava/lang/foreign/ValueLayout$OfLong;", "long long",
            "Ljava/lang/foreign/ValueLayout$OfFloat;", "float",
            "Ljava/lang/foreign/ValueLayout$OfDouble;", "double",
            "Ljava/lang/foreign/AddressLayout;", "void*");

    private static final List<Platform> PLATFORMS = Stream.of("linux", "mac", "windows")
            .flatMap(os -> Stream.of("x86_64", "aarch64").map(arch -> Platform.of(os, arch)))
            .toList();

    private final Set<String> downcalls = new TreeSet<>();

    private ReachabilityMetadata() {
    }

    /** The content of reachability-metadata.json for the class files in a folder. */
    static String of(Path classes) throws IOException {
        ReachabilityMetadata metadata = new ReachabilityMetadata();
        try (Stream<Path> files = Files.walk(classes)) {
            for (Path file : files.filter(path -> path.toString().endsWith(".class")).toList()) {
                metadata.scan(ClassFile.of().parse(file));
            }
        }
        return """
                {
                  "comment": "Generated from the bindings by ReachabilityMetadataTest, which says how.",
                  "foreign": {
                    "downcalls": [
                %s
                    ]
                  },
                  "resources": [
                %s
                  ]
                }
                """.formatted(lines(6, metadata.downcalls), lines(4, resources()));
    }

    /** The entry of a C function. */
    static String downcall(FunctionDescriptor function) {
        return downcall(function.returnLayout().map(ReachabilityMetadata::name).orElse("void"),
                function.argumentLayouts().stream().map(ReachabilityMetadata::name).toList());
    }

    private static String name(MemoryLayout layout) {
        // The public interface of a layout is what a field that holds it is declared as.
        return Stream.of(layout.getClass().getInterfaces())
                .map(type -> LAYOUTS.get(type.descriptorString()))
                .findFirst().orElseThrow(() -> new AssertionError("no name for " + layout));
    }

    private static String downcall(String returnType, List<String> parameterTypes) {
        return "{\"returnType\": \"" + returnType + "\", \"parameterTypes\": ["
                + parameterTypes.stream().map(type -> '"' + type + '"').collect(Collectors.joining(", ")) + "]}";
    }

    static List<NativeLibrary> bundled() {
        return Stream.of(NativeLibrary.values()).filter(NativeLibrary::isBundled).toList();
    }

    private static Set<String> resources() {
        Set<String> resources = new TreeSet<>();
        resources.add("{\"glob\": \"" + CUDA_KERNELS + "\"}");
        resources.add("{\"glob\": \"" + CUDA_KERNELS + ".properties\"}");
        for (NativeLibrary library : bundled()) {
            for (Platform platform : PLATFORMS) {
                for (String file : library.bundledFiles(platform)) {
                    resources.add("{\"glob\": \"" + library.resourceFolder(platform) + "/" + file + "\"}");
                }
            }
        }
        return resources;
    }

    private static String lines(int indent, Collection<String> entries) {
        return entries.stream().map(entry -> " ".repeat(indent) + entry).collect(Collectors.joining(",\n"));
    }

    private void scan(ClassModel type) {
        for (MethodModel method : type.methods()) {
            method.code().ifPresent(code -> scan(type.thisClass().asInternalName() + "." + method.methodName(), code));
        }
    }

    /** Descriptors are written as FunctionDescriptor.of(layout, …) with nothing but fields: the layouts loaded since
     * the last call are its arguments. Anything else fails here, to be thought about. */
    private void scan(String where, Iterable<CodeElement> code) {
        List<String> layouts = new ArrayList<>();
        for (CodeElement element : code) {
            if (element instanceof FieldInstruction load && load.typeSymbol().descriptorString().contains(FOREIGN)) {
                layouts.add(load.typeSymbol().descriptorString());
            } else if (element instanceof InvokeInstruction call) {
                String name = call.owner().asInternalName() + "." + call.name();
                if (name.equals(FOREIGN + "FunctionDescriptor.of")) {
                    List<String> types = types(where, layouts);
                    downcalls.add(downcall(types.getFirst(), types.subList(1, types.size())));
                } else if (name.equals(FOREIGN + "FunctionDescriptor.ofVoid")) {
                    downcalls.add(downcall("void", types(where, layouts)));
                } else if (isUnknownToTheScan(name)) {
                    throw new AssertionError(where + " calls " + name + ", which native-image must be told about; teach"
                            + " ReachabilityMetadata how");
                }
                layouts.clear();
            }
        }
    }

    private static List<String> types(String where, List<String> layouts) {
        return layouts.stream().map(layout -> {
            String type = LAYOUTS.get(layout);
            if (type == null) {
                throw new AssertionError(where + " describes a function by a " + layout
                        + "; declare the field as the layout's own type, or teach ReachabilityMetadata its name");
            }
            return type;
        }).toList();
    }

    /** Functions described in other ways, calls with options, calls back into Java, and what finds classes by name. */
    private static boolean isUnknownToTheScan(String method) {
        return method.startsWith(FOREIGN + "FunctionDescriptor.") && !method.endsWith(".toMethodType")
                || method.startsWith(FOREIGN + "Linker$Option.")
                || method.equals(FOREIGN + "Linker.upcallStub")
                || method.equals("java/lang/Class.forName")
                || method.startsWith("java/util/ServiceLoader.load");
    }
}
