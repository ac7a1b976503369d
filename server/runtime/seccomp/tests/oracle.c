// Reads a filter in lines and writes the program that libseccomp makes of it. Only a test runs this.
//   default ACTION / arch TOKEN / rule ACTION NAME [INDEX OP VALUE VALUE2]...
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char line[4096];
    scmp_filter_ctx filter = NULL;
    while (fgets(line, sizeof line, stdin)) {
        char *rest = NULL, *word = strtok_r(line, " \n", &rest);
        if (!word) continue;
        uint32_t number = (uint32_t)strtoul(strtok_r(NULL, " \n", &rest), NULL, 0);
        if (!strcmp(word, "default")) {
            filter = seccomp_init(number);
        } else if (!strcmp(word, "arch")) {
            int result = seccomp_arch_add(filter, number);
            if (result && result != -EEXIST) return fprintf(stderr, "arch %x: %d\n", number, result), 1;
        } else {
            const char *name = strtok_r(NULL, " \n", &rest);
            int call = seccomp_syscall_resolve_name(name);
            if (call == __NR_SCMP_ERROR) {
                fprintf(stderr, "unknown %s\n", name);
                continue;
            }
            struct scmp_arg_cmp args[6];
            unsigned count = 0;
            for (char *index; (index = strtok_r(NULL, " \n", &rest)); count++) {
                args[count].arg = (unsigned)atoi(index);
                args[count].op = atoi(strtok_r(NULL, " \n", &rest));
                args[count].datum_a = strtoull(strtok_r(NULL, " \n", &rest), NULL, 0);
                args[count].datum_b = strtoull(strtok_r(NULL, " \n", &rest), NULL, 0);
            }
            int result = seccomp_rule_add_array(filter, number, call, count, args);
            if (result) fprintf(stderr, "rule %s failed: %d\n", name, result);
        }
    }
    return seccomp_export_bpf(filter, 1) ? 1 : 0;
}
