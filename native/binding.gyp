# The native backend's addon; built by scripts/build-native.js, which says where oneDNN is (dnnl_include, dnnl_lib).
{
  'variables': {
    'dnnl_include%': '',
    'dnnl_lib%': '',
    'extra_flags%': '',
  },
  'target_defaults': {
    'cflags!': ['-O2'],
    'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20', '-O2'],
    # No -ffast-math: NaN and infinities keep their meaning.
    'cflags_cc': ['-std=c++17', '-O3', '-fopenmp', '-fno-math-errno', '-fno-trapping-math', '-Wno-psabi', '<@(extra_flags)'],
    'ldflags': ['-fopenmp', '<@(extra_flags)'],
    'xcode_settings': {
      'CLANG_CXX_LANGUAGE_STANDARD': 'c++17',
      'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
      'OTHER_CPLUSPLUSFLAGS': ['-O3', '-fno-math-errno', '-fno-trapping-math'],
      'MACOSX_DEPLOYMENT_TARGET': '12.0',
    },
    'conditions': [['target_arch=="x64"', {'defines': ['HBP_X86']}]],
  },
  'targets': [
    {
      'target_name': 'loops_base',
      'type': 'static_library',
      'sources': ['src/loops.cc'],
      'defines': ['HBP_ISA=base', 'HBP_LOOPS=loopsBase'],
    },
    {
      'target_name': 'hbp',
      'sources': ['src/addon.cc', 'src/amx.cc', 'src/dense.cc', 'src/lapack.cc', 'src/loops-of.cc'],
      'dependencies': ['loops_base'],
      'defines': ['NODE_ADDON_API_CPP_EXCEPTIONS', 'NAPI_VERSION=8'],
      'include_dirs': ["<!@(node -p \"require('node-addon-api').include\")"],
      'libraries': ['-ldnnl', '-ldl'],
      'conditions': [
        ['dnnl_include!=""', {'include_dirs': ['<(dnnl_include)']}],
        ['dnnl_lib!=""', {'libraries': ['-L<(dnnl_lib)', '-Wl,-rpath,<(dnnl_lib)']}],
        ['target_arch=="x64"', {'dependencies': ['loops_avx2', 'loops_avx512']}],
      ],
    },
  ],
  'conditions': [
    ['target_arch=="x64"', {
      'targets': [
        {
          'target_name': 'loops_avx2',
          'type': 'static_library',
          'sources': ['src/loops.cc'],
          'defines': ['HBP_ISA=avx2', 'HBP_LOOPS=loopsAvx2'],
          'cflags_cc': ['-march=x86-64-v3'],
          'xcode_settings': {'OTHER_CPLUSPLUSFLAGS': ['-march=x86-64-v3']},
        },
        {
          'target_name': 'loops_avx512',
          'type': 'static_library',
          'sources': ['src/loops.cc'],
          'defines': ['HBP_ISA=avx512', 'HBP_LOOPS=loopsAvx512'],
          'cflags_cc': ['-march=x86-64-v4', '-mprefer-vector-width=512'],
          'xcode_settings': {'OTHER_CPLUSPLUSFLAGS': ['-march=x86-64-v4', '-mprefer-vector-width=512']},
        },
      ],
    }],
  ],
}
